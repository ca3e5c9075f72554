package condition

// fits tells whether an operator with its operand can meet a value of one of the
// types that were seen; it says so when it cannot.
func (r *reader) fits(types []string, op Op, val any) bool {
	if op == Exists || !lacks(types, append(typesFor(op, val), "array")...) {
		r.doubt(types, op)
		return true
	}
	if wanted := typesFor(op, val); len(wanted) > 0 {
		r.fault(ReasonTypeMismatch, "%s with this operand can only meet %s; only %s was seen here, and nothing is converted", op, list(wanted, "or"), list(types, "and"))
	} else {
		r.fault(ReasonTypeMismatch, "%s with this operand can only meet elements of an array; only %s was seen here", op, list(types, "and"))
	}
	return false
}

// doubt warns where an operator about times asks text that never was one.
func (r *reader) doubt(types []string, op Op) {
	switch op {
	case Before, After, Within, OlderThan, Anniversary:
		if lacks(types, "datetime", "array") {
			r.warn(WarnUnseenType, "only text was seen here that is no time in the form of RFC 3339; nothing else is before, after or within anything")
		}
	}
}

// typesFor lists the types of values, arrays aside, that an operator can meet.
func typesFor(op Op, val any) []string {
	switch op {
	case StartsWith, EndsWith, Matches, Before, After, Within, OlderThan, Anniversary:
		return ofClass(classText)
	case Contains:
		if classOf(val) == classText {
			return ofClass(classText)
		}
		return nil // an element only
	case In, NotIn, Between:
		var out []string
		seen := map[class]bool{}
		for _, v := range val.([]any) {
			if c := classOf(v); !seen[c] {
				seen[c] = true
				out = append(out, ofClass(c)...)
			}
		}
		return out
	}
	return ofClass(classOf(val))
}

func ofClass(c class) []string {
	switch c {
	case classNumber:
		return []string{"integer", "decimal"}
	case classText:
		return []string{"string", "datetime"}
	case classBool:
		return []string{"boolean"}
	}
	return []string{"object"}
}
