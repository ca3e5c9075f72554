package mongo_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/scripted"
)

func TestAStandaloneIsRefusedWithAdvice(t *testing.T) {
	srv := scripted.New(t)
	srv.Standalone = true
	_, err := mongo.Open(t.Context(), mongo.Options{URI: srv.URI("shop")})
	require.Equal(t, core.Invalid, core.CodeOf(err))
	require.Equal(t, "MONGO_STANDALONE", core.AsError(err).Reason)
	require.ErrorContains(t, err, "mongod --replSet rs0")
	require.ErrorContains(t, err, "rs.initiate()")
	require.NotContains(t, srv.Names(), "create", "and left as it was")
}

func TestAnOldServerIsRefused(t *testing.T) {
	srv := scripted.New(t)
	srv.Wire = 9
	_, err := mongo.Open(t.Context(), mongo.Options{URI: srv.URI("shop")})
	require.Equal(t, "MONGO_TOO_OLD", core.AsError(err).Reason)
}

func TestAShardedClusterIsLetIn(t *testing.T) {
	_, s := start(t, func(s *scripted.Server) { s.Sharded = true })
	require.NoError(t, s.Ping(t.Context()))
}

func TestCredentialsAreNeverPrinted(t *testing.T) {
	for _, uri := range []string{
		"mongodb://walter:s3cret@host:port:1/db",
		"mongodb://walter:s3c@cret@host/db",
		"mongodb://walter:s3cret@host/db?maxPoolSize=s3cret",
		"mongodb://walter:s3cret@host/a.b",
		"mysql://walter:s3cret@host/db",
		"mongodb://walter:s3cret@127.0.0.1:1/db?serverSelectionTimeoutMS=50",
	} {
		_, err := mongo.Open(t.Context(), mongo.Options{URI: uri})
		require.Error(t, err, uri)
		for _, secret := range []string{"s3c", "cret", "walter"} {
			require.NotContains(t, fmt.Sprintf("%v %+v", err, err), secret)
		}
	}
}

func TestTheDatabaseComesFromThePath(t *testing.T) {
	srv := scripted.New(t)
	for path, want := range map[string]string{"": "headwater", "shop": "shop", "sh%6Fp?retryWrites=true": "shop"} {
		srv.Reset()
		s, err := mongo.Open(t.Context(), mongo.Options{URI: srv.URI(path)})
		require.NoError(t, err)
		require.Equal(t, `"`+want+`"`, text(t, srv.Commands("create")[0], "$db"))
		require.NoError(t, s.Close(context.Background()))
	}
}

func TestBatchesExpire(t *testing.T) {
	srv := scripted.New(t)
	srv.On("create", scripted.Fail(48, "NamespaceExists"))
	s, err := mongo.Open(t.Context(), mongo.Options{URI: srv.URI("shop")})
	require.NoError(t, err)
	defer s.Close(context.Background())
	cmd := srv.Commands("createIndexes")[0]
	require.Equal(t, `"_batches"`, text(t, cmd, "createIndexes"))
	require.Equal(t, `{"key":{"at":1},"expireAfterSeconds":259200,"name":"expiry"}`, text(t, cmd, "indexes", "0"))
}

func TestAShortOplogIsWarnedOf(t *testing.T) {
	entry := func(seconds uint32, msg string) scripted.Answer {
		return scripted.Docs(bson.D{{Key: "ts", Value: bson.Timestamp{T: seconds}}, {Key: "o", Value: bson.D{{Key: "msg", Value: msg}}}})
	}
	for name, c := range map[string]struct {
		script []scripted.Answer
		warned bool
	}{
		"an hour":          {[]scripted.Answer{entry(1000, ""), entry(4600, "")}, true},
		"three days":       {[]scripted.Answer{entry(1000, ""), entry(1000+72*3600, "")}, false},
		"a young set":      {[]scripted.Answer{entry(1000, "initiating set"), entry(4600, "")}, false},
		"not to be looked": {[]scripted.Answer{scripted.Fail(13, "Unauthorized")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			srv := scripted.New(t)
			srv.On("find oplog.rs", c.script...)
			var out bytes.Buffer
			s, err := mongo.Open(t.Context(), mongo.Options{URI: srv.URI("shop"), Log: slog.New(slog.NewTextHandler(&out, nil))})
			require.NoError(t, err)
			defer s.Close(context.Background())
			if c.warned {
				require.Contains(t, out.String(), "minRetentionHours: 72")
				require.Contains(t, out.String(), "window=1h0m0s")
			} else {
				require.Empty(t, out.String())
			}
			for _, find := range srv.Commands("find") {
				require.Equal(t, `{"ts":1,"o.msg":1}`, text(t, find, "projection"), "never a value")
			}
		})
	}
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	_, s := start(t)
	require.NoError(t, s.Close(t.Context()))
	require.NoError(t, s.Close(t.Context()), "twice")
	_, err := s.Get(t.Context(), people.Spec, []string{"ws/1"})
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.Commit(t.Context(), one())
	require.ErrorIs(t, err, store.ErrUnavailable)
}

func TestCloseWaitsForACommitInFlight(t *testing.T) {
	srv, s := start(t)
	reached, release := make(chan struct{}), make(chan struct{})
	srv.On("commitTransaction", func(bson.Raw) bson.D {
		close(reached)
		<-release
		return bson.D{{Key: "ok", Value: 1}}
	})
	committed, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := s.Commit(context.Background(), one())
		committed <- err
	}()
	<-reached
	go func() { closed <- s.Close(context.Background()) }()
	select {
	case <-closed:
		t.Fatal("closed under a commit")
	case <-committed:
		t.Fatal("committed without an answer")
	default:
	}
	close(release)
	require.NoError(t, <-committed)
	require.NoError(t, <-closed)
}
