// Package batch cuts what is written to a vendor into requests.
package batch

// Distinct calls do with one part of items after the other, each of at most limit, in which
// no key comes twice: vendors refuse that, and the last one of a key is to win. When do
// fails it returns that error and what was not done.
func Distinct(items []int, limit int, key func(item int) string, do func(part []int) error) (left []int, err error) {
	for len(items) > 0 {
		seen := map[string]bool{}
		n := 0
		for n < len(items) && n < limit {
			k := key(items[n])
			if seen[k] {
				break
			}
			seen[k] = true
			n++
		}
		if err := do(items[:n]); err != nil {
			return items, err
		}
		items = items[n:]
	}
	return nil, nil
}
