"""The gallery in Airflow's UI: what tasks have generated, exported or downloaded."""
