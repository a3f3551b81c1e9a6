//! A BGP speaker without sockets or clock: sessions, timers and RIBs as a state machine
