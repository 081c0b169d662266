// The denoising loop's arithmetic: DDIM as `locolib.models.schedules` sets it up, and classifier-free guidance (Eq. 1).

/**
 * The steps of sampling, from noise to picture: their time, and alpha (cumulated) at it and after the step.
 * `told` is the scheduler's: beta_start, beta_end (scaled linear), num_train_timesteps, steps_offset, prediction_type.
 */
export function schedule(told, steps) {
  const count = told.num_train_timesteps,
    alphas = new Float64Array(count);
  const [low, high] = [Math.sqrt(told.beta_start), Math.sqrt(told.beta_end)];
  let product = 1;
  for (let i = 0; i < count; i++) {
    product *= 1 - (low + ((high - low) * i) / (count - 1)) ** 2;
    alphas[i] = product;
  }
  const stride = Math.floor(count / steps);
  return Array.from({ length: steps }, (_, i) => {
    const time = (steps - 1 - i) * stride + told.steps_offset,
      after = time - stride;
    return { time, alpha: alphas[time], after: alphas[Math.max(after, 0)] };
  });
}

/** u + s (c - u) of a prediction whose first half is the unconditional branch; without guidance it is the prediction. */
export function guided(predicted, guidance) {
  if (guidance === 1) return predicted;
  const half = predicted.length / 2,
    made = new Float32Array(half);
  for (let i = 0; i < half; i++) made[i] = predicted[i] + guidance * (predicted[half + i] - predicted[i]);
  return made;
}

/** One step: `latents` after it, and the picture that the model expects at the end (`clean`). */
export function stepped(latents, predicted, { alpha, after }, kind) {
  const [signal, noise] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
  const [signalAfter, noiseAfter] = [Math.sqrt(after), Math.sqrt(1 - after)];
  const next = new Float32Array(latents.length),
    clean = new Float32Array(latents.length);
  for (let i = 0; i < latents.length; i++) {
    const x = latents[i],
      p = predicted[i];
    const eps = kind === "v_prediction" ? signal * p + noise * x : p;
    clean[i] = kind === "v_prediction" ? signal * x - noise * p : (x - noise * p) / signal;
    next[i] = signalAfter * clean[i] + noiseAfter * eps;
  }
  return { latents: next, clean };
}
