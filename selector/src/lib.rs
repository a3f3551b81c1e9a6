//! Label selectors of container platforms: parse, print, identify, evaluate
