"""For tests of your own DAGs: fixtures of pytest that bring the service and an Airflow, both local and both private."""
