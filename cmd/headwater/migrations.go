package main

import (
	"context"

	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// migrations are the steps from each version of stored data to the next. One that a
// release has had is never changed.
func migrations() []store.Migration {
	return []store.Migration{
		{Version: 1, Name: "give profiles their buckets", Run: eachProfile(profile.FillBuckets)},
		{Version: 2, Name: "fold consents anew", Run: eachProfile(profile.FoldConsents)},
	}
}

// overProfiles looks at the profiles of a workspace whose key comes after after.
type overProfiles = func(ctx context.Context, s store.Store, ws, after string, step func(ctx context.Context, position string, done int64, ops ...store.Op) error) error

// eachProfile makes a migration of what is done to the profiles of one workspace:
// workspace by workspace in the order of their keys. The position is the key of the last
// profile that was looked at.
func eachProfile(f overProfiles) func(context.Context, store.Store, []byte, store.Step) error {
	return func(ctx context.Context, s store.Store, from []byte, step store.Step) error {
		return walkProfiles(ctx, s, from, step, f)
	}
}

func walkProfiles(ctx context.Context, s store.Store, from []byte, step store.Step, f overProfiles) error {
	workspaces, err := access.Workspaces.Find(ctx, s, store.Query{}, 0)
	if err != nil {
		return err
	}
	at := string(from)
	var total, before int64
	for _, w := range workspaces {
		n, err := profile.Profiles.Count(ctx, s, store.Query{Workspace: w.ID, Where: after(w.ID, at)})
		if err != nil {
			return err
		}
		total += n
	}
	for _, w := range workspaces {
		if w.ID < store.WorkspaceOf(at) {
			continue
		}
		begin := ""
		if w.ID == store.WorkspaceOf(at) {
			begin = at
		}
		done := before
		err := f(ctx, s, w.ID, begin, func(ctx context.Context, position string, n int64, ops ...store.Op) error {
			err := step(ctx, []byte(position), before+n, total, ops...)
			if err == nil {
				done = before + n
			}
			return err
		})
		if err != nil {
			return err
		}
		before = done
	}
	return nil
}

// after is the condition on what a migration has not come to in a workspace: all of
// it, but for the one that it stands in.
func after(ws, position string) []store.Cond {
	if position == "" || ws > store.WorkspaceOf(position) {
		return nil
	}
	return []store.Cond{store.Gt("_id", position)}
}
