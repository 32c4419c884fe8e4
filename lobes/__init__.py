"""What a detector is made of: plain ``torch.nn.Module``s that a YAML can name."""
