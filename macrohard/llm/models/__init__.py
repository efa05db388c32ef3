"""What is known of models and endpoints: by documentation, by asking them, by looking around on this machine."""
