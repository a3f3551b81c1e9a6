//! BGP-4 messages as borrowed views: decode and encode without allocation
