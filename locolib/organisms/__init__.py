"""How the bundled models were made: the world, its captions, trainings, plantings, and their configurations."""
