//! Linear image stages with exact pull-backs.
