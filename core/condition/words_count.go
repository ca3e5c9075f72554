package condition

import (
	"strconv"
	"strings"
)

// counted is the whole numbers that a range of counts leaves.
type counted struct {
	least, most int // most is -1 for no bound
}

// countOf reads a range of counts; nil is at least one.
func countOf(r *Range) counted {
	if r == nil {
		return counted{1, -1}
	}
	c := counted{0, -1}
	at := func(lit string) int { return int(parsed(lit).IntPart()) }
	atMost := func(n int) {
		if c.most < 0 || n < c.most {
			c.most = max(n, 0)
		}
	}
	if r.Eq != "" {
		c.least = at(r.Eq)
		atMost(at(r.Eq))
	}
	if r.Gte != "" {
		c.least = max(c.least, at(r.Gte))
	}
	if r.Gt != "" {
		c.least = max(c.least, at(r.Gt)+1)
	}
	if r.Lte != "" {
		atMost(at(r.Lte))
	}
	if r.Lt != "" {
		atMost(at(r.Lt) - 1)
	}
	return c
}

func (c counted) never() bool { return c.most == 0 }

// times says how often: "exactly once", "at least twice", "between 2 and 5 times";
// "" for at least once.
func (c counted) times() string {
	switch {
	case c.least == 1 && c.most < 0:
		return ""
	case c.least == 0 && c.most < 0:
		return "any number of times"
	case c.least == c.most:
		return "exactly " + timesWord(c.least)
	case c.most < 0:
		return "at least " + timesWord(c.least)
	case c.least == 0:
		return "at most " + timesWord(c.most)
	}
	return "between " + strconv.Itoa(c.least) + " and " + timesWord(c.most)
}

func timesWord(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return strconv.Itoa(n) + " times"
}

// things says how many: "at least 2 elements".
func (c counted) things(one, many string) string {
	noun := func(n int) string {
		if n == 1 {
			return "1 " + one
		}
		return strconv.Itoa(n) + " " + many
	}
	switch {
	case c.most == 0:
		return "no " + one
	case c.least == 0 && c.most < 0:
		return "any number of " + many
	case c.least == c.most:
		return "exactly " + noun(c.least)
	case c.most < 0:
		return "at least " + noun(c.least)
	case c.least == 0:
		return "at most " + noun(c.most)
	}
	return "between " + strconv.Itoa(c.least) + " and " + noun(c.most)
}

// rangeWords says where a figure lies.
func rangeWords(r *Range, unit string) string {
	if r == nil {
		return ""
	}
	if r.Gte != "" && r.Lte != "" && r.Eq == "" && r.Gt == "" && r.Lt == "" {
		return "is between " + r.Gte + " and " + r.Lte + unit
	}
	var parts []string
	for _, b := range []struct{ words, lit string }{
		{"exactly ", r.Eq}, {"at least ", r.Gte}, {"more than ", r.Gt}, {"at most ", r.Lte}, {"less than ", r.Lt},
	} {
		if b.lit != "" {
			parts = append(parts, b.words+b.lit+unit)
		}
	}
	return "is " + strings.Join(parts, " and ")
}
