package core

// MaxPage is the largest first or last that a client may ask for.
const MaxPage = 200

// DefaultPage is what a client gets that asks for no number.
const DefaultPage = 20

// PageArgs are Relay's paging arguments. Nil means not given.
type PageArgs struct {
	First, Last   *int
	After, Before *string
}

// Window is the resolved form of PageArgs.
type Window struct {
	Limit         int
	Backward      bool // the last Limit items before Before
	After, Before string
}

// Resolve checks the arguments. Both first and last, a negative number or more
// than MaxPage is INVALID.
func (a PageArgs) Resolve() (Window, error) {
	w := Window{Limit: DefaultPage}
	if a.After != nil {
		w.After = *a.After
	}
	if a.Before != nil {
		w.Before = *a.Before
	}
	name, n := "first", a.First
	if a.Last != nil {
		if a.First != nil {
			return w, Errorf(Invalid, "PAGE_BOTH", "give either first or last, not both").At("last")
		}
		name, n, w.Backward = "last", a.Last, true
	} else if a.Before != nil && a.First == nil && a.After == nil {
		w.Backward = true // "before" alone means the page just before it
	}
	if n != nil {
		if *n < 0 || *n > MaxPage {
			return w, Errorf(Invalid, "PAGE_SIZE", "%s must be between 0 and %d, not %d", name, MaxPage, *n).At(name)
		}
		w.Limit = *n
	}
	return w, nil
}
