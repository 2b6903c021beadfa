"""What the chapter's text calculates and draws, computed."""
