"""Development scripts; each is what one make target runs. No part of the wheel."""
