package staging_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// input is the input of a job that reads a file.
type input struct {
	File string `bson:"file"`
}

// start starts a job that no runner runs.
func (b *bench) start(f staging.File) (*work.Jobs, *work.Job) {
	b.Helper()
	jobs := work.NewJobs(work.New(work.Options{Store: b.db, Clock: b.clock}))
	j, err := jobs.Start(b.Context(), "test.read", ws, input{f.ID}, "")
	require.NoError(b, err)
	return jobs, j
}

func TestTheSweepTakesWhatAProcessLeftBetweenTwoChunks(t *testing.T) {
	b := open(t)
	commits := 0
	b.db.fail = func(store.Batch) error {
		if commits++; commits > 1 {
			return errors.New("the process died")
		}
		return nil
	}
	_, err := b.files.Put(t.Context(), ws, bytes.NewReader(noise(7<<20)))
	require.ErrorContains(t, err, "the process died")
	b.db.fail = nil
	require.EqualValues(t, 3, b.chunks(), "what it had written, and could not delete")
	b.sweepAll()
	require.EqualValues(t, 3, b.chunks(), "the sweep is not due yet")
	b.clock.advance(staging.Keep + time.Minute)
	b.sweepAll()
	require.Zero(t, b.chunks())
}

func TestTheFirstChunksComeWithTheirSweep(t *testing.T) {
	b := open(t)
	b.db.fail = func(store.Batch) error { return errors.New("the process died") }
	_, err := b.files.Put(t.Context(), ws, bytes.NewReader(noise(10)))
	require.Error(t, err)
	require.Zero(t, b.chunks())
	b.db.fail = nil
	f := b.put(noise(10))
	task, err := work.Find(t.Context(), b.db, ws, "test.sweep", f.ID)
	require.NoError(t, err)
	require.NotNil(t, task)
	require.WithinDuration(t, b.clock.Now().Add(staging.Keep), task.DueAt, time.Second)
}

func TestTheSweepLeavesAFileThatAJobNeeds(t *testing.T) {
	b := open(t)
	content := noise(2 << 20)
	f, left := b.put(content), b.put(noise(1<<20))
	jobs, j := b.start(f)
	for range 3 {
		b.clock.advance(staging.Keep + time.Minute)
		b.sweepAll()
		require.True(t, bytes.Equal(content, b.read(f, 0)), "it waits in the queue for weeks")
		require.EqualValues(t, 2, b.chunks(), "the other file is gone")
	}
	require.NotEqual(t, left.ID, f.ID)
	_, err := jobs.Cancel(t.Context(), ws, j.JobID())
	require.NoError(t, err)
	b.clock.advance(staging.Keep + time.Minute)
	b.sweepAll()
	require.Zero(t, b.chunks(), "the job was cancelled")
}

func TestTheSweepLeavesAnUploadThatLasts(t *testing.T) {
	b := open(t)
	content := noise(12 << 20)
	w := b.files.Create(t.Context(), ws)
	for from := 0; from < len(content); from += 3 << 20 {
		_, err := w.Write(content[from : from+3<<20])
		require.NoError(t, err)
		b.sweepAll()
		b.clock.advance(staging.Keep * 2 / 3)
	}
	f, err := w.Close()
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, b.read(f, 0)))
}

func TestAnUploadWhoseBeginningWasSweptIsRefused(t *testing.T) {
	b := open(t)
	w := b.files.Create(t.Context(), ws)
	_, err := w.Write(noise(3 << 20))
	require.NoError(t, err)
	b.clock.advance(staging.Keep + time.Minute)
	b.sweepAll()
	require.Zero(t, b.chunks())
	_, err = w.Write(noise(3 << 20))
	require.Equal(t, "FILE_GONE", core.AsError(err).Reason)
}
