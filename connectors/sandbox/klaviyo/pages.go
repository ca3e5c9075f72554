package klaviyo

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// page is one page of things that are in a fixed order by key. The cursor holds the
// key of the last thing seen, so that a page stays right while others are written.
func page[T any](r *http.Request, things []T, key func(T) string, usual, most int) ([]T, object, *fault) {
	size, problem := pageSize(r, usual, most)
	if problem != nil {
		return nil, nil, problem
	}
	after, problem := cursor(r)
	if problem != nil {
		return nil, nil, problem
	}
	if after != "" {
		begin, found := slices.BinarySearchFunc(things, after, func(t T, k string) int { return cmp.Compare(key(t), k) })
		if found {
			begin++
		}
		things = things[begin:]
	}
	var next any
	if len(things) > size {
		things = things[:size]
		next = withCursor(r, key(things[size-1]))
	}
	return things, links(r, next), nil
}

func pageSize(r *http.Request, usual, most int) (int, *fault) {
	text := r.URL.Query().Get("page[size]")
	if text == "" {
		return usual, nil
	}
	size, err := strconv.Atoi(text)
	if err != nil || size < 1 || size > most {
		f := invalid(fmt.Sprintf("Page size must be an integer from 1 to %d.", most), "")
		f.Source = object{"parameter": "page[size]"}
		return 0, f
	}
	return size, nil
}

func cursor(r *http.Request) (string, *fault) {
	text := r.URL.Query().Get("page[cursor]")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	after, is := strings.CutPrefix(string(raw), "next::")
	if text != "" && (err != nil || !is) {
		f := invalid("The cursor is not one of ours.", "")
		f.Source = object{"parameter": "page[cursor]"}
		return "", f
	}
	return after, nil
}

// withCursor is the address of the page after key.
func withCursor(r *http.Request, key string) string {
	query := url.Values{}
	for name, values := range r.URL.Query() {
		query[name] = values
	}
	query.Set("page[cursor]", base64.RawURLEncoding.EncodeToString([]byte("next::"+key)))
	return sandbox.BaseURL(r) + r.URL.Path + "?" + query.Encode()
}

func links(r *http.Request, next any) object {
	self := sandbox.BaseURL(r) + r.URL.Path
	if r.URL.RawQuery != "" {
		self += "?" + r.URL.RawQuery
	}
	l := object{"self": self}
	if next != nil {
		l["next"] = next
	}
	return l
}

// snapshots keeps the last orders that profiles were asked for in.
type snapshots struct {
	version int
	orders  map[string][]*profile
}

// sorted returns the profiles that pass, in the order asked for. It is kept until a
// profile changes: a client reads page after page.
func (s *Server) sorted(sort, filterText string, filters []filter) []*profile {
	if s.snapshots.orders == nil || s.snapshots.version != s.version || len(s.snapshots.orders) > 8 {
		s.snapshots = snapshots{version: s.version, orders: map[string][]*profile{}}
	}
	name := sort + " " + filterText
	if kept, is := s.snapshots.orders[name]; is {
		return kept
	}
	var out []*profile
	for _, p := range s.order {
		if p.match(filters) {
			out = append(out, p)
		}
	}
	key := sortKey(sort)
	slices.SortStableFunc(out, func(a, b *profile) int { return cmp.Compare(key(a), key(b)) })
	s.snapshots.orders[name] = out
	return out
}

// sortKey is the text by which profiles are ordered. A descending order has each byte
// turned, so that it is an ascending one of something else.
func sortKey(sort string) func(*profile) string {
	field, down := strings.CutPrefix(sort, "-")
	value := func(p *profile) string {
		switch field {
		case "created":
			return stamp(p.created) + p.id
		case "updated":
			return stamp(p.updated) + p.id
		case "email":
			email, _ := p.fields["email"].(string)
			return email + p.id
		case suppressed + "timestamp":
			if len(p.suppressions) == 0 {
				return p.id
			}
			return stamp(p.suppressions[0].At) + p.id
		}
		return p.id
	}
	if !down {
		return value
	}
	return func(p *profile) string {
		turned := []byte(value(p))
		for i := range turned {
			turned[i] = ^turned[i]
		}
		return string(turned)
	}
}

// listProfiles answers GET /api/profiles.
func (s *Server) listProfiles(r *http.Request, _ []byte) (int, any, *fault) {
	query := r.URL.Query()
	filters, problem := parseFilter(query.Get("filter"), profileFilters)
	if problem != nil {
		return 0, nil, problem
	}
	sort := query.Get("sort")
	if sort == "" {
		sort = "-created"
	}
	if !slices.Contains([]string{"id", "created", "updated", "email", suppressed + "timestamp"}, strings.TrimPrefix(sort, "-")) {
		f := invalid("'sort' is not one of the fields that profiles are sorted by.", "")
		f.Source = object{"parameter": "sort"}
		return 0, nil, f
	}
	found, links, problem := page(r, s.sorted(sort, query.Get("filter"), filters), sortKey(sort), 20, 100)
	if problem != nil {
		return 0, nil, problem
	}
	data := make([]object, 0, len(found))
	for _, p := range found {
		data = append(data, s.present(r, p, wantsSubscriptions(r)))
	}
	return http.StatusOK, object{"data": data, "links": links}, nil
}

func wantsSubscriptions(r *http.Request) bool {
	return slices.Contains(strings.Split(r.URL.Query().Get("additional-fields[profile]"), ","), "subscriptions")
}
