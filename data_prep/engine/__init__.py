"""What `data_prep.prepare` is made of: probing, caching, rows, sorting, summary."""
