// Package scalar says how the schema's own scalars look on the wire and in Go.
// Values keep what was sent: a JSON number is never squeezed through a float, a
// Decimal is text, an instant keeps its nanoseconds.
package scalar
