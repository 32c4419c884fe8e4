"""What `data_prep.shard` is made of: the format, the plan, audio, making, verifying."""
