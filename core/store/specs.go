package store

// Specs are the port's own collections.
func Specs() []*Spec { return []*Spec{Claims.Spec, Counters.Spec, versions.Spec} }
