"""From records to verdict, findings and the two reports: pure functions, no I/O but the templates."""
