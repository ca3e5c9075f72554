package object_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// tasks counts the tasks that look for people who came meanwhile.
func (f *fixture) tasks(t *testing.T) int {
	t.Helper()
	list, err := work.Tasks.Find(t.Context(), f.db, store.Query{Where: []store.Cond{store.Eq("kind", object.LateKind)}, Order: []string{"dueAt"}}, 0)
	require.NoError(t, err)
	return len(list)
}

// Who came while a record was written is told of it though the process that wrote
// the record dies right after.
func TestSomebodyWhoComesMeanwhileIsToldByAnotherProcess(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "sub", Relations: []object.RelationInput{{Key: "owner"}}})
	owner := func(id string) map[string][]object.Link {
		return map[string][]object.Link{"owner": {{Namespace: "user_id", Value: id}}}
	}
	f.commit.Take()
	f.put(t, "sub", object.Item{ExternalID: "a", Links: owner("8")})
	require.Zero(t, f.tasks(t), "nothing is left to be done")

	f.commit.Before = func([]store.Op) {
		f.people.set("user_id", "9", "prof_L")
		f.people.fail = errors.New("died")
	}
	f.put(t, "sub", object.Item{ExternalID: "b", Links: owner("9")})
	f.commit.Before, f.people.fail = nil, nil
	require.Equal(t, []string{" CREATED", " CREATED"}, f.told(t))
	require.Equal(t, 1, f.tasks(t))
	runner, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.runner.Run(runner) }()
	defer func() { stop(); <-done }()
	require.Eventually(t, func() bool { return f.tasks(t) == 0 }, 30*time.Second, 5*time.Millisecond)
	require.Equal(t, []string{"prof_L LINKED"}, f.told(t))
}
