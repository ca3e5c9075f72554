// Package template renders what Headwater writes to people: Liquid, with the guards
// that a server needs which renders other people's templates over other people's
// data.
//
// Liquid itself is osteele/liquid: its blocks, its expressions, most of its filters.
// Around it stands this package. Parse reads a source twice. Its own reading (scan.go,
// expr.go, analyse.go) knows every tag, filter and path with its line and column; what
// it does not know is an error, not an empty string in somebody's mail. The library
// then compiles a rewritten source, in which each output, loop, capture and assignment
// is a tag of this package (tags.go), so that nothing is written, repeated or kept
// without being counted.
//
// # What bounds a render
//
// Liquid has no limit on time. Here the source, its depth, its nodes and the filters of
// an expression are bounded when it is parsed; ranges may stand in a loop only, never
// in memory. A render counts a step for each output, assignment, capture, condition and
// turn of a loop, and every few steps it looks at its context and its clock. Between
// two looks lies at most one chain of filters over values of MaxValue bytes or
// MaxElements elements: filters that can make more of what they are given refuse to.
// So a render ends within MaxTime and little more, whatever the template says.
//
// # What cannot happen
//
// In HTML every output is escaped for the place where it stands: text, a quoted
// attribute, a link (only http, https, mailto, tel and sms), a style. Where no escaping
// is safe (scripts, handlers, names of tags, unquoted attributes) an output is refused
// when the template is parsed. A line (a subject, a title) holds no control character,
// so that it cannot end a header. Data is plain: maps, slices, texts, numbers and
// booleans, of which no method can be called.
//
// # Missing values
//
// An output of something that may be missing needs a fallback (default), or a
// condition around it that asks for it; else the template must say that a message is
// not sent without (SkipSend). Lint tells beforehand, Render then returns the paths
// that were missing, never values.
package template
