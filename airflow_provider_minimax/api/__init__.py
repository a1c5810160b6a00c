"""The service itself: ids, jobs, errors, client and paging. Nothing in here knows a DAG."""
