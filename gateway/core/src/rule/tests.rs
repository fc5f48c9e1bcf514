//! The hold truth table, stragglers, and rule files with their mistakes.
