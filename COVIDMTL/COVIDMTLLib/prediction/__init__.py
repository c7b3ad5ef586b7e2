"""From a case to verdicts: predictions, likelihood ratios, what they rest on, and when there is none."""
