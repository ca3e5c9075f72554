package segment

import "strings"

// beside walks two lists that are sorted by a key, side by side, and calls f with
// the elements that have the same key; with nil for the one that a list lacks. No
// list has a key twice. The elements are those of the lists, not copies.
func beside[T any](a, b []T, key func(*T) string, f func(a, b *T)) {
	for len(a) > 0 && len(b) > 0 {
		switch d := strings.Compare(key(&a[0]), key(&b[0])); {
		case d < 0:
			f(&a[0], nil)
			a = a[1:]
		case d > 0:
			f(nil, &b[0])
			b = b[1:]
		default:
			f(&a[0], &b[0])
			a, b = a[1:], b[1:]
		}
	}
	for i := range a {
		f(&a[i], nil)
	}
	for i := range b {
		f(nil, &b[i])
	}
}
