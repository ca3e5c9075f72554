package condition

var windowKeys = []string{"last", "between", "ago", "calendar", "allTime"}

// window reads a window; nil is all time.
func (r *reader) window(m map[string]any, key string) *Window {
	if m[key] == nil {
		return nil
	}
	var w *Window
	r.at(key, func() { w = r.windowOf(m[key]) })
	return w
}

func (r *reader) windowOf(v any) *Window {
	m, ok := r.oneKey(v, "a window", windowKeys)
	if !ok {
		return nil
	}
	w := &Window{Last: r.period(m, "last"), Calendar: Calendar(r.enum(m, "calendar", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"))}
	if m["between"] != nil {
		r.at("between", func() { r.absolute(w, m["between"]) })
	}
	if m["ago"] != nil {
		r.at("ago", func() { r.ago(w, m["ago"]) })
	}
	if m["allTime"] != nil {
		if m["allTime"] != true {
			r.at("allTime", func() { r.fault(ReasonWindow, "allTime is true; leave it out to give another window") })
		}
		return nil
	}
	return w
}

func (r *reader) absolute(w *Window, v any) {
	m, _ := r.fields(v, "between", "from", "to")
	given := r.required(m, "from")
	if r.required(m, "to") && given {
		w.From, w.To = r.instant(m, "from"), r.instant(m, "to")
		if !w.From.IsZero() && !w.To.IsZero() && !w.From.Before(w.To) {
			r.fault(ReasonWindow, "nothing can lie in this window: from must be before to")
		}
	}
}

func (r *reader) ago(w *Window, v any) {
	m, _ := r.fields(v, "ago", "from", "to")
	given := r.required(m, "from")
	if r.required(m, "to") && given {
		w.AgoFrom, w.AgoTo = r.period(m, "from"), r.period(m, "to")
		if w.AgoFrom != nil && w.AgoTo != nil && !w.AgoFrom.exceeds(*w.AgoTo) {
			r.fault(ReasonWindow, "nothing can lie in this window, at some instants at least: from must be longer ago than to (give both in one unit; use last to reach up to now)")
		}
	}
}

// relative reads a stretch of time next to now.
func (r *reader) relative(v any) (Relative, bool) {
	m, ok := r.oneKey(v, "a stretch of time", []string{"past", "next"})
	if !ok {
		return Relative{}, false
	}
	rel := Relative{Past: r.period(m, "past"), Next: r.period(m, "next")}
	return rel, rel != Relative{}
}

// oneKey reads an object of which exactly one key must be given.
func (r *reader) oneKey(v any, what string, allowed []string) (m map[string]any, ok bool) {
	m, known := r.fields(v, what, allowed...)
	if len(m) == 1 {
		return m, true
	}
	if known {
		r.oneKeyFault(m, what, allowed)
	}
	return m, false
}
