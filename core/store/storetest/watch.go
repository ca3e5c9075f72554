package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

var watchCases = []testCase{
	{"watch tells of every change in the order of commits, once", func(t *testing.T, s store.Store) {
		from := now(t, s)
		insert(t, s, Things, doc("ws/a"), doc("ws/b"))
		commit(t, s, Things.Replace(get(t, s, Things, "ws/a")))
		commit(t, s, Things.Add("ws/a", map[string]int64{"n": 1}))
		commit(t, s, Things.Add("ws/c", map[string]int64{"n": 1}))
		commit(t, s, Others.Insert(doc("ws/a")), Globals.Insert(doc("g")))
		commit(t, s, Things.Delete(get(t, s, Things, "ws/a")))
		got := collect(t, s, from, 8)
		requireChanges(t, []store.Change{
			{Collection: Things.Spec.Name, Key: "ws/a", Version: 1, Kind: store.Inserted},
			{Collection: Things.Spec.Name, Key: "ws/b", Version: 1, Kind: store.Inserted},
			{Collection: Things.Spec.Name, Key: "ws/a", Version: 2, Kind: store.Updated},
			{Collection: Things.Spec.Name, Key: "ws/a", Version: 3, Kind: store.Updated},
			{Collection: Things.Spec.Name, Key: "ws/c", Version: 1, Kind: store.Inserted},
			{Collection: Others.Spec.Name, Key: "ws/a", Version: 1, Kind: store.Inserted},
			{Collection: Globals.Spec.Name, Key: "g", Version: 1, Kind: store.Inserted},
			{Collection: Things.Spec.Name, Key: "ws/a", Version: 0, Kind: store.Deleted},
		}, got)
		seen := map[store.Token]bool{}
		for _, c := range got {
			require.False(t, seen[c.Token], "a token was given twice")
			seen[c.Token] = true
			require.False(t, c.At.IsZero())
		}
	}},
	{"watch goes on from every token", func(t *testing.T, s store.Store) {
		from := now(t, s)
		for i := range 5 {
			insert(t, s, Things, doc(fmt.Sprintf("ws/%d-a", i)), doc(fmt.Sprintf("ws/%d-b", i)), doc(fmt.Sprintf("ws/%d-c", i)))
		}
		all := collect(t, s, from, 15)
		for i := range all[:14] {
			require.Equal(t, all[i+1:], collect(t, s, all[i].Token, 14-i))
		}
	}},
	{"watch goes on from the token of a commit", func(t *testing.T, s store.Store) {
		token := commit(t, s, Things.Insert(doc("ws/a")), Things.Insert(doc("ws/b")))
		require.Equal(t, token, now(t, s))
		insert(t, s, Things, doc("ws/c"))
		require.Equal(t, "ws/c", collect(t, s, token, 1)[0].Key)
	}},
	{"watch tells of the collections asked for only", func(t *testing.T, s store.Store) {
		from := now(t, s)
		for i := range 4 {
			insert(t, s, Things, doc(fmt.Sprint("ws/t", i)))
			insert(t, s, Others, doc(fmt.Sprint("ws/o", i)))
			insert(t, s, Globals, doc(fmt.Sprint("g", i)))
		}
		require.Equal(t, []string{"ws/o0", "ws/o1", "ws/o2", "ws/o3"}, changeKeys(collect(t, s, from, 4, Others.Spec)))
		require.Equal(t, []string{"ws/t0", "g0", "ws/t1", "g1"}, changeKeys(collect(t, s, from, 4, Things.Spec, Globals.Spec)))
	}},
	{"watch tells nothing of checks", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/a"))
		from := now(t, s)
		commit(t, s, Things.Check(get(t, s, Things, "ws/a")), Things.Absent("ws/b"))
		require.Equal(t, []string{"ws/end"}, end(t, s, from))
	}},
	{"watch waits for the next commit", func(t *testing.T, s store.Store) {
		st, err := s.Watch(t.Context(), now(t, s))
		require.NoError(t, err)
		defer func() { require.NoError(t, st.Close()) }()
		for i := range 5 {
			go func() {
				time.Sleep(10 * time.Millisecond)
				_, _ = s.Commit(context.Background(), batch(Things.Insert(doc(fmt.Sprint("ws/", i)))))
			}()
			require.Equal(t, fmt.Sprint("ws/", i), next(t, st).Key)
		}
	}},
	{"a change that is told of can be read", func(t *testing.T, s store.Store) {
		st, err := s.Watch(t.Context(), now(t, s))
		require.NoError(t, err)
		defer func() { require.NoError(t, st.Close()) }()
		go func() {
			for i := range 50 {
				_, _ = s.Commit(context.Background(), batch(Things.Insert(doc(fmt.Sprint("ws/", i)))))
			}
		}()
		for range 50 {
			require.NotNil(t, get(t, s, Things, next(t, st).Key))
		}
	}},
	{"watch ends with its context", func(t *testing.T, s store.Store) {
		st, err := s.Watch(t.Context(), now(t, s))
		require.NoError(t, err)
		defer func() { require.NoError(t, st.Close()) }()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err = st.Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		insert(t, s, Things, doc("ws/a"))
		require.Equal(t, "ws/a", next(t, st).Key, "the stream goes on with another context")
	}},
	{"watch keeps order under concurrent writers", func(t *testing.T, s store.Store) {
		from := now(t, s)
		together(t, 8, func(g int) error {
			for i := range 20 {
				a := doc(fmt.Sprintf("ws/%d-%02d", g, i))
				if _, err := s.Commit(t.Context(), batch(Things.Insert(a), Others.Add("ws/sum", map[string]int64{"n": 1}))); err != nil {
					return err
				}
			}
			return nil
		})
		last, sum := map[string]string{}, int64(0)
		for _, c := range collect(t, s, from, 320) {
			if c.Collection == Others.Spec.Name {
				sum++
				require.Equal(t, sum, c.Version)
				continue
			}
			writer := c.Key[:4]
			require.Less(t, last[writer], c.Key)
			last[writer] = c.Key
		}
		require.Len(t, last, 8)
	}},
	{"watch from now tells of what earlier reads cannot have seen", func(t *testing.T, s store.Store) {
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					_, _ = s.Commit(context.Background(), batch(Things.Insert(doc(fmt.Sprintf("ws/%05d", i)))))
				}
			}
		}()
		for range 20 {
			n, err := Things.Count(t.Context(), s, store.Query{Workspace: "ws"})
			require.NoError(t, err)
			c := collect(t, s, now(t, s), 1)[0]
			var told int64
			_, err = fmt.Sscanf(c.Key, "ws/%d", &told)
			require.NoError(t, err)
			require.GreaterOrEqual(t, told, n, "a change was told of twice over")
		}
		close(stop)
		<-done
	}},
	{"a token whose changes are gone is expired", func(t *testing.T, s store.Store) {
		f, ok := s.(Forgetter)
		if !ok {
			t.Skip("this store keeps its changes; it cannot be made to forget them in a test")
		}
		first := now(t, s)
		token := commit(t, s, Things.Insert(doc("ws/a")))
		insert(t, s, Things, doc("ws/b"))
		require.NoError(t, f.ForgetChanges(t.Context()))
		for _, old := range []store.Token{first, token} {
			st, err := s.Watch(t.Context(), old)
			if err == nil {
				_, err = st.Next(t.Context())
				require.NoError(t, st.Close())
			}
			require.ErrorIs(t, err, store.ErrTokenExpired)
		}
		from := now(t, s)
		require.Equal(t, []string{"ws/end"}, end(t, s, from))
	}},
	{"a token that no store made is refused", func(t *testing.T, s store.Store) {
		st, err := s.Watch(t.Context(), "no token")
		if err == nil {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			_, err = st.Next(ctx)
			require.NoError(t, st.Close())
		}
		require.Error(t, err)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	}},
}

func now(t testing.TB, s store.Store) store.Token {
	t.Helper()
	token, err := s.Now(t.Context())
	require.NoError(t, err)
	return token
}

func next(t testing.TB, st store.Stream) store.Change {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	c, err := st.Next(ctx)
	require.NoError(t, err)
	return c
}

// collect reads n changes after a token.
func collect(t testing.TB, s store.Store, after store.Token, n int, colls ...*store.Spec) []store.Change {
	t.Helper()
	st, err := s.Watch(t.Context(), after, colls...)
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	var out []store.Change
	for range n {
		out = append(out, next(t, st))
	}
	return out
}

// end stores a last document and returns all keys told of up to it.
func end(t testing.TB, s store.Store, after store.Token) []string {
	t.Helper()
	insert(t, s, Things, doc("ws/end"))
	return changedUntil(t, s, after, "ws/end")
}

// changedUntil returns the keys of the changes after a token up to the given one.
func changedUntil(t testing.TB, s store.Store, after store.Token, last string) []string {
	t.Helper()
	st, err := s.Watch(t.Context(), after)
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	var out []string
	for {
		c := next(t, st)
		out = append(out, c.Key)
		if c.Key == last {
			return out
		}
	}
}

func changeKeys(changes []store.Change) []string {
	out := make([]string, len(changes))
	for i, c := range changes {
		out[i] = c.Key
	}
	return out
}

// requireChanges compares all but tokens and times.
func requireChanges(t testing.TB, want, got []store.Change) {
	t.Helper()
	bare := make([]store.Change, len(got))
	for i, c := range got {
		c.Token, c.At = "", time.Time{}
		bare[i] = c
	}
	require.Equal(t, want, bare)
}
