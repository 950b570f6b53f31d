//! The flow of a call, and the ports of everything it needs from outside
