"""Facts into findings: touches after finalization, and the verdict on a crash, hang or leak."""
