"""The live page: bundled models as ONNX graphs that draw in a reader's browser, offline, and the page that asks them.

`graphs` exports a model's parts, `packing` stores their weights in 8 or 16 bits, `choices` is what the page offers,
`changes` holds the edits, `export` writes all of it below ``build/live``, `placing` puts it into the site.
What runs in the browser lies in ``web/`` (plain JavaScript modules) and ``runtime/`` (onnxruntime-web).
"""
