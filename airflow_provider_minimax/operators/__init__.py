"""Operators: template fields, policy and XCom."""
