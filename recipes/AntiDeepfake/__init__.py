"""Post-training for deepfake speech detection: the recipe's behaviour."""
