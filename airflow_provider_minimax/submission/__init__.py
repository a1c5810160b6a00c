"""Submitting billable jobs so that each is paid once: the stored record, the submit, the recovery of a lost job."""
