"""The only room that knows a debugger: the interface, and a back end for each debugger."""
