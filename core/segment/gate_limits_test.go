package segment

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

// Where access rests on a segment, nothing moves its people but who may move access: not
// directly, not by a segment that its condition names, and not by archiving it.
func TestPeopleOfALimitAreNotMoved(t *testing.T) {
	o := newOffice(t)
	o.people(3, countryOf)
	base := o.create("base", inRomania)
	list := o.emptyList("list")
	limit := o.create("limit", `{"or":[{"segment":{"id":"`+base.SegmentID()+`"}},{"segment":{"id":"`+list.SegmentID()+`"}}]}`)
	free := o.create("free", inRomania)
	refusal := core.Errorf(core.Forbidden, "LIMITS_ACCESS", "no")
	var open bool
	o.SetLimits(func(_ context.Context, ws string, ids []string) error {
		require.Equal(t, o.ws, ws)
		if !open && slices.Contains(ids, limit.SegmentID()) {
			return refusal
		}
		return nil
	})
	all := o.tree(`{"bucket":{"salt":"a","from":0,"to":10000}}`)
	zone, first, name := "Europe/Bucharest", int64(1), "renamed"
	deeds := map[string]func(id string) error{
		"condition": func(id string) error { _, err := o.Update(o.ctx, o.ws, UpdateInput{ID: id, Where: all}); return err },
		"dry run": func(id string) error {
			_, err := o.Update(o.ctx, o.ws, UpdateInput{ID: id, Where: all, DryRun: true})
			return err
		},
		"zone": func(id string) error {
			_, err := o.Update(o.ctx, o.ws, UpdateInput{ID: id, TimeZone: &zone})
			return err
		},
		"old version": func(id string) error {
			_, err := o.Update(o.ctx, o.ws, UpdateInput{ID: id, RestoreVersion: &first})
			return err
		},
	}
	lists := map[string]func() error{
		"add": func() error { _, err := o.AddToList(o.ctx, o.ws, list.SegmentID(), []ListItem{email(1)}); return err },
		"remove": func() error {
			_, err := o.RemoveFromList(o.ctx, o.ws, list.SegmentID(), []ListItem{email(1)})
			return err
		},
		"upload": func() error {
			_, err := o.UploadList(o.ctx, o.ws, UploadInput{ID: list.SegmentID(), Format: CSV, Namespace: "email"}, strings.NewReader("a@example.com\n"))
			return err
		},
	}
	for what, do := range deeds {
		for _, id := range []string{limit.SegmentID(), base.SegmentID()} {
			require.Equal(t, []string{"LIMITS_ACCESS [id]"}, reasons(do(id)), what)
		}
		require.NoError(t, do(free.SegmentID()), what)
	}
	for what, do := range lists {
		require.Equal(t, []string{"LIMITS_ACCESS [id]"}, reasons(do()), what)
	}
	_, err := o.Archive(o.ctx, o.ws, limit.SegmentID(), nil)
	require.Equal(t, []string{"LIMITS_ACCESS [id]"}, reasons(err))
	_, err = o.Update(o.ctx, o.ws, UpdateInput{ID: limit.SegmentID(), Name: &name})
	require.NoError(t, err, "its name decides nothing")
	open = true
	for what, do := range lists {
		require.NoError(t, do(), what)
	}
	require.NoError(t, deeds["condition"](limit.SegmentID()))
}
