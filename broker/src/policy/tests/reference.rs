//! Our decisions beside those of Cedar's own authorizer.
