import compiler
