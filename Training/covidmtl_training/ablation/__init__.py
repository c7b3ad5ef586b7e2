"""The ablation study of the paper on any store."""
