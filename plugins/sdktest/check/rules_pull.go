package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// seeded is how many records the rules about pulling begin with: more than a page of most.
const seeded = 250

// longestCursor is what a host keeps, in bytes.
const longestCursor = 64 << 10

var pullRules = []Rule{
	{
		Name:   "pull/whole",
		Must:   "a pull from the beginning brings every record, with cursors of at most 64 KiB",
		Remedy: "page until the vendor says that there is no more, and end each page with a cursor",
		Run: func(x *Exam) {
			ids, c := x.seededPull()
			got, pages := x.pull(c, nil)
			x.has(got, ids, "the pull")
			for i, p := range pages {
				if len(p.Cursor) == 0 {
					x.Errorf("page %d of %d has no cursor", i+1, len(pages))
				}
				if len(p.Cursor) > longestCursor {
					x.Errorf("the cursor of page %d has %d bytes", i+1, len(p.Cursor))
				}
			}
		},
	},
	{
		Name:   "pull/resume",
		Must:   "a pull that is cut after any page goes on from that page's cursor, in another process, and none is lost",
		Remedy: "put all that is needed to go on into the cursor; keep nothing else",
		Run:    resume,
	},
	{
		Name:   "pull/changes",
		Must:   "a pull from the last cursor brings what came since, and then nothing more",
		Remedy: "let the last page's cursor say up to when you have seen everything; overlap rather than leave a gap",
		Run: func(x *Exam) {
			ids, c := x.seededPull()
			x.mode(c, sdk.PullChanges)
			got, pages := x.pull(c, nil)
			x.has(got, ids, "the first pull")
			more := x.vendor.Seed(3)
			got, next := x.pull(c, last(pages))
			x.has(got, more, "the pull from the last cursor")
			if len(got) >= len(ids) {
				x.Errorf("the pull from the last cursor brings %d records for 3 new ones", len(got))
			}
			if cursor := last(next); cursor != nil {
				if got, _ := x.pull(c, cursor); len(got) >= len(ids) {
					x.Errorf("a pull when nothing came brings %d records", len(got))
				}
			}
		},
	},
	{
		Name:   "pull/deletions",
		Must:   "a record that is deleted at the vendor comes as deleted",
		Remedy: "ask the vendor for what it deleted, and emit a Record with Deleted set",
		Run: func(x *Exam) {
			ids, c := x.seededPull()
			x.mode(c, sdk.PullChanges)
			x.needs("Remove", x.vendor.Remove != nil)
			_, pages := x.pull(c, nil)
			x.vendor.Remove(ids[1])
			got, _ := x.pull(c, last(pages))
			if r, ok := got[ids[1]]; !ok || !r.Deleted {
				x.Errorf("after the deletion of a record the pull brings %d records, and not that it is gone", len(got))
			}
		},
	},
	{
		Name:   "pull/consents",
		Must:   "who withdraws at the vendor is told of by the next pull, with a key that stays the same",
		Remedy: "fill Page.Consents with Granted false, the identifier, the channel and a key of the vendor's own",
		Run: func(x *Exam) {
			_, c := x.seededPull()
			v := x.vendor
			x.needs("Withdraw", v.Withdraw != nil)
			if v.Told != "" {
				v.Stream = v.Told
			}
			x.mode(c, sdk.PullChanges)
			_, pages := x.pull(c, nil)
			who := v.Withdraw()
			var keys []string
			for range 2 {
				_, more := x.pull(c, last(pages))
				change := withdrawal(more, who)
				if change == nil {
					x.Failf("after a withdrawal the pull tells of none")
				}
				if change.Key == "" || change.Channel == "" {
					x.Errorf("the withdrawal has the key %q and the channel %q", change.Key, change.Channel)
				}
				keys = append(keys, change.Key)
			}
			if keys[0] != keys[1] {
				x.Errorf("the same withdrawal has another key the second time: the host cannot know that it came before")
			}
		},
	},
	{
		Name:   "pull/unicode",
		Must:   "text of every kind comes as it is",
		Remedy: "decode as UTF-8; do not cut texts by bytes",
		Run: func(x *Exam) {
			x.can(sdk.CanPull)
			v := x.Vendor()
			x.needs("Item", v.Item != nil && v.Text != "" && v.Records != nil)
			x.can(sdk.CanUpsert)
			_, c := x.open()
			items := x.items(0, len(oddTexts))
			for i := range items {
				items[i].Fields[v.Text] = oddTexts[i]
			}
			x.upsert(c, items)
			got, _ := x.pull(c, nil)
			seen := map[string]bool{}
			for _, r := range got {
				if s, ok := r.Fields[v.Text].(string); ok {
					seen[s] = true
				}
			}
			for _, s := range oddTexts {
				if !seen[s] {
					x.Errorf("%q did not come back", s)
				}
			}
		},
	},
	{
		Name:   "pull/cursor",
		Must:   "a cursor that makes no sense is CURSOR_LOST",
		Remedy: "return sdk.CursorLost when a cursor does not decode, and when the vendor no longer honours it",
		Run: func(x *Exam) {
			_, c := x.seededPull()
			for _, cursor := range []string{"nonsense", "{}", "\x00\xff\xfe", "eyJhIjoxfQ=="} {
				err := c.Pull(x.ctx, sdk.PullRequest{Stream: x.vendor.Stream, Cursor: []byte(cursor)}, func(sdk.Page) error { return nil })
				x.refuses(fmt.Sprintf("a pull from the cursor %q", cursor), err, sdk.FaultCursorLost)
			}
		},
	},
	{
		Name:   "pull/stream",
		Must:   "a stream that is not there is a fault, not an empty pull",
		Remedy: "return sdk.SchemaChanged for a stream that you do not know",
		Run: func(x *Exam) {
			_, c := x.seededPull()
			err := c.Pull(x.ctx, sdk.PullRequest{Stream: "no-such-stream"}, func(sdk.Page) error { return nil })
			x.refuses("a pull of no-such-stream", err, sdk.FaultSchemaChanged, sdk.FaultInvalidConfig, sdk.FaultUnsupported)
		},
	},
	{
		Name:   "pull/stops",
		Must:   "a pull ends within a second when the host has had enough",
		Remedy: "return the error that emit gave you, and stop what you began",
		Run: func(x *Exam) {
			_, c := x.seededPull()
			enough := errors.New("enough")
			if err := c.Pull(x.ctx, sdk.PullRequest{Stream: x.vendor.Stream}, func(sdk.Page) error { return enough }); !errors.Is(err, enough) {
				x.Failf("the pull ended with %v", err)
			}
			x.closes(c)
		},
	},
	{
		Name:    "pull/crash",
		Process: true,
		Must:    "after the process is killed in the middle of a pull, another goes on from the last cursor, and none is lost",
		Remedy:  "put all that is needed to go on into the cursor",
		Run: func(x *Exam) {
			v, ids := x.seed()
			i, c := x.open()
			got := map[string]sdk.Record{}
			var cursor []byte
			err := c.Pull(x.ctx, sdk.PullRequest{Stream: v.Stream}, func(p sdk.Page) error {
				if cursor != nil {
					return nil // on its way when the process was killed: not kept
				}
				keep(got, p)
				cursor = p.Cursor
				return i.cmd.Process.Kill()
			})
			// A vendor with one page is done before it notices.
			if err != nil && sdk.AsFault(err).Origin != sdk.FromConnector {
				x.Errorf("the killed pull ended with %v", err)
			}
			if !i.exits(5 * time.Second) {
				x.Failf("the process is still there")
			}
			again := x.openOn(x.start(), v.config())
			rest, _ := x.pull(again, cursor)
			for id, r := range rest {
				got[id] = r
			}
			x.has(got, ids, "both pulls together")
		},
	},
}

// oddTexts are what data holds sooner or later.
var oddTexts = []string{
	"Zoë Ñuñez-O'Brien", "漢字かな", "مرحبا بالعالم", "👩‍👩‍👧‍👦 flag 🇩🇪", "a\tb\nc", `"quoted" \back\ <b>&amp;</b>`,
	"e\u0301 and é", "  spaces  around  ", "=1+1", "null", "%00%s{{x}}", "'; DROP TABLE people; --", "\u202Eright to left",
}

func (x *Exam) seed() (*Vendor, []string) {
	x.can(sdk.CanPull)
	v := x.Vendor()
	x.needs("Seed", v.Seed != nil && v.Stream != "")
	return v, v.Seed(seeded)
}

func (x *Exam) seededPull() ([]string, *sdk.RemoteConnection) {
	_, ids := x.seed()
	_, c := x.open()
	return ids, c
}

// mode skips for streams that cannot do it.
func (x *Exam) mode(c *sdk.RemoteConnection, m sdk.Mode) {
	found, err := c.Discover(x.ctx)
	if err != nil {
		x.Failf("Discover: %v", err)
	}
	for _, s := range found {
		if s.Name == x.vendor.Stream && slices.Contains(s.Modes, m) {
			return
		}
	}
	x.Skipf("stream %s has not the mode %q", x.vendor.Stream, m)
}

// pull keeps what a pull brings, by id.
func (x *Exam) pull(c *sdk.RemoteConnection, cursor []byte) (map[string]sdk.Record, []sdk.Page) {
	got := map[string]sdk.Record{}
	var pages []sdk.Page
	err := c.Pull(x.ctx, sdk.PullRequest{Stream: x.vendor.Stream, Cursor: cursor}, func(p sdk.Page) error {
		keep(got, p)
		pages = append(pages, p)
		return nil
	})
	if err != nil {
		x.Failf("Pull: %v", err)
	}
	return got, pages
}

// withdrawal finds what pages tell of somebody.
func withdrawal(pages []sdk.Page, who string) *sdk.ConsentChange {
	for _, p := range pages {
		for _, change := range p.Consents {
			for _, v := range change.Identifiers {
				if v == who && !change.Granted {
					return &change
				}
			}
		}
	}
	return nil
}

func keep(got map[string]sdk.Record, p sdk.Page) {
	for _, r := range p.Records {
		got[r.ID] = r
	}
}

func last(pages []sdk.Page) []byte {
	for i := len(pages) - 1; i >= 0; i-- {
		if len(pages[i].Cursor) > 0 {
			return pages[i].Cursor
		}
	}
	return nil
}

func (x *Exam) has(got map[string]sdk.Record, ids []string, what string) {
	missing := 0
	for _, id := range ids {
		if r, ok := got[id]; !ok || r.Deleted {
			missing++
		}
	}
	if missing > 0 {
		x.Errorf("%s lacks %d of %d records", what, missing, len(ids))
	}
}

func resume(x *Exam) {
	v, ids := x.seed()
	_, c := x.open()
	_, pages := x.pull(c, nil)
	x.closes(c)
	// Every cut for few pages, a spread of them for many.
	step := max(1, len(pages)/8)
	for cut := 0; cut < len(pages); cut += step {
		got := map[string]sdk.Record{}
		var cursor []byte
		seen := 0
		enough := errors.New("enough")
		first := x.openOn(x.start(), v.config())
		err := first.Pull(x.ctx, sdk.PullRequest{Stream: v.Stream}, func(p sdk.Page) error {
			keep(got, p)
			cursor = p.Cursor
			if seen++; seen > cut {
				return enough
			}
			return nil
		})
		if err != nil && !errors.Is(err, enough) {
			x.Failf("a pull to page %d: %v", cut+1, err)
		}
		second := x.openOn(x.start(), v.config())
		rest, _ := x.pull(second, cursor)
		for id, r := range rest {
			got[id] = r
		}
		x.has(got, ids, fmt.Sprintf("a pull that was cut after page %d of %d, with what came after it,", cut+1, len(pages)))
	}
}

// closes demands that closing ends what runs, within a second.
func (x *Exam) closes(c *sdk.RemoteConnection) {
	ctx, cancel := context.WithTimeout(x.ctx, 10*time.Second)
	defer cancel()
	began := time.Now()
	if err := c.CloseContext(ctx); err != nil {
		x.Errorf("Close: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		x.Errorf("Close took %.1f s: calls that were cancelled go on", took.Seconds())
	}
}
