// The twin of stages/nn/schedules.py: a factor for the learning rate at each progress from 0 to 1.
"use strict";

const [WARMUP, START] = [0.25, 0.04]; // fraction of the training in which one_cycle climbs, and from which factor

const cosine = (progress) => (1 + cos(Math.PI * progress)) / 2;

const SCHEDULES = {
  constant: () => 1,
  linear: (progress) => 1 - progress,
  cosine,
  one_cycle: (progress) =>
    progress < WARMUP
      ? START + (1 - START) * (1 - cosine(progress / WARMUP))
      : cosine((progress - WARMUP) / (1 - WARMUP)),
};
