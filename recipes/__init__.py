"""SpeechBrain recipes."""
