package condition

import "time"

// end is one end of what an operator leaves of an ordered kind of values.
type end struct {
	op     Op
	val    any
	strict bool
}

// contradictions says so when no value can meet all operators of a predicate.
func (r *reader) contradictions(p *Predicate) {
	for _, o := range p.Operators {
		if o.Op == Exists && p.IncludeNull {
			r.fault(ReasonContradiction, "missing INCLUDE lets a missing value pass, which exists is about; leave one of them out")
			return
		}
		if o.Op == Exists && o.Value == false && (len(p.Operators) > 1 || p.Any != nil || p.All != nil || p.None != nil || p.Size != nil) {
			r.fault(ReasonContradiction, "exists with false stands alone: nothing else can be asked of a value that is not there")
			return
		}
	}
	var lows, highs []end
	for _, o := range p.Operators {
		switch o.Op {
		case Eq:
			if c := classOf(o.Value); c == classNumber || c == classText {
				lows, highs = append(lows, end{o.Op, o.Value, false}), append(highs, end{o.Op, o.Value, false})
			}
		case Gt, Gte:
			lows = append(lows, end{o.Op, o.Value, o.Op == Gt})
		case Lt, Lte:
			highs = append(highs, end{o.Op, o.Value, o.Op == Lt})
		case Between:
			b := o.Value.([]any)
			lows, highs = append(lows, end{o.Op, b[0], false}), append(highs, end{o.Op, b[1], false})
		}
	}
	if a, b, one := ofOneKind(append(lows[:len(lows):len(lows)], highs...)); !one {
		r.fault(ReasonContradiction, "no value is of two kinds: the operands of %s and %s must both be numbers, both texts, or money in one currency", a, b)
		return
	}
	for _, low := range lows {
		for _, high := range highs {
			if c, _ := order(low.val, high.val); c > 0 || c == 0 && (low.strict || high.strict) {
				r.fault(ReasonContradiction, "no value meets %s and %s together", low.op, high.op)
				return
			}
		}
	}
	r.textual(p, append(lows, highs...))
	r.times(p)
}

func ofOneKind(ends []end) (a, b Op, ok bool) {
	for i := 1; i < len(ends); i++ {
		if _, ok := order(ends[0].val, ends[i].val); !ok {
			return ends[0].op, ends[i].op, false
		}
	}
	return "", "", true
}

// textual says so when a value must be text and something else.
func (r *reader) textual(p *Predicate, ends []end) {
	if len(ends) == 0 || classOf(ends[0].val) == classText {
		return
	}
	for _, o := range p.Operators {
		switch o.Op {
		case StartsWith, EndsWith, Matches, Before, After, Within, OlderThan, Anniversary:
			r.fault(ReasonContradiction, "no value meets %s, which asks for text, and %s with an operand that is none", o.Op, ends[0].op)
			return
		}
	}
}

// times says so when no instant meets all that is asked of it.
func (r *reader) times(p *Predicate) {
	var before, after *time.Time
	var older *Period
	var within *Relative
	for _, o := range p.Operators {
		switch v := o.Value.(type) {
		case time.Time:
			if o.Op == Before {
				before = &v
			} else {
				after = &v
			}
		case Period:
			older = &v
		case Relative:
			if o.Op == Within {
				within = &v
			}
		}
	}
	if before != nil && after != nil && !after.Before(*before) {
		r.fault(ReasonContradiction, "no time is before and after these: the one of after must be the earlier one")
	}
	if older == nil || within == nil {
		return
	}
	if within.Next != nil {
		r.fault(ReasonContradiction, "no time lies ahead and is older than something")
	} else if *older == *within.Past || older.exceeds(*within.Past) {
		r.fault(ReasonContradiction, "no time is within the past and older than these: the period of within must be the longer one")
	}
}
