package condition

import (
	"fmt"
	"strings"
)

// maxSuggested bounds the words that are compared, in bytes.
const maxSuggested = 64

// didYouMean suggests the nearest of some words: `; did you mean "count"?`, or ""
// when none is near.
func didYouMean(word string, words []string) string {
	if len(word) > maxSuggested {
		return ""
	}
	best, distance := "", len(word)/3+2
	for _, w := range words {
		if len(w) > maxSuggested {
			continue
		}
		if d := editDistance(strings.ToLower(word), strings.ToLower(w), distance); d < distance {
			best, distance = w, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// editDistance counts the bytes to insert, delete or replace, or two neighbours to
// swap; most when it is at least that.
func editDistance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return min(prev[len(b)], most)
}
