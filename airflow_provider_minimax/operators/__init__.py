"""Operators: template fields, policy and XCom over hook, waiting and exporting."""
