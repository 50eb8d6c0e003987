"""What results say about the paper's claims."""
