"""What corpora exist and how they become manifests."""
