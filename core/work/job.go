package work

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Status is where a job stands.
type Status string

// The statuses; the last three are final.
const (
	Queued    Status = "QUEUED"
	Running   Status = "RUNNING"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
	Cancelled Status = "CANCELLED"
)

// Final reports whether the job is over.
func (s Status) Final() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Job is long work that a person waits for. Its key is workspace/job_….
type Job struct {
	store.Meta `bson:",inline"`
	Kind       string    `bson:"kind"`
	Status     Status    `bson:"status"`
	Done       int64     `bson:"done"`
	Total      int64     `bson:"total"` // 0 while unknown
	Error      *JobError `bson:"error,omitempty"`
	Input      bson.Raw  `bson:"input,omitempty"`
	Position   bson.Raw  `bson:"position,omitempty"` // where to go on
	Result     bson.Raw  `bson:"result,omitempty"`
	By         *JobActor `bson:"by,omitempty"` // who started it, and acts in it
	CreatedAt  time.Time `bson:"createdAt"`
	StartedAt  time.Time `bson:"startedAt,omitempty"`
	FinishedAt time.Time `bson:"finishedAt,omitempty"`
}

// JobError is why a job failed.
type JobError struct {
	Code    core.Code `bson:"code"`
	Reason  string    `bson:"reason"`
	Message string    `bson:"message"`
}

// JobActor is the core.Actor under whom a job runs.
type JobActor struct {
	ID       string   `bson:"id"`
	Roles    []string `bson:"roles,omitempty"`
	Source   string   `bson:"source,omitempty"`
	Purposes []string `bson:"purposes,omitempty"`
	Purpose  string   `bson:"purpose,omitempty"`
	Scopes   []string `bson:"scopes,omitempty"`
}

// JobDocs is the collection of jobs.
var JobDocs = store.Declare[Job](store.Spec{
	Name:  "jobs",
	Reach: store.ReachFinder, // searched; what a job was given and made goes, the job stays
	Data: map[string]core.Category{
		"input": core.Unclassified, "position": core.Unclassified, "result": core.Unclassified, "error": core.Unclassified,
	},
	Indexes: []store.Index{
		store.On("-createdAt"),
		store.On("kind", "-createdAt"),
		store.On("status", "-createdAt"),
		store.On("kind", "status", "-createdAt"),
	},
})

// JobID returns the job's id, job_….
func (j *Job) JobID() string { return store.Rest(j.ID) }

// Workspace returns the job's workspace.
func (j *Job) Workspace() string { return store.WorkspaceOf(j.ID) }

// DecodeInput reads the job's input into v.
func (j *Job) DecodeInput(v any) error {
	_, err := decode(j.Input, v)
	return err
}

// DecodeResult reads the job's result into v, which stays as it is while there is
// none.
func (j *Job) DecodeResult(v any) error {
	_, err := decode(j.Result, v)
	return err
}

func (j *Job) finish(s Status, at time.Time) {
	j.Status, j.FinishedAt = s, at
}

func actorOf(a *core.Actor) *JobActor {
	if a == nil {
		return nil
	}
	return &JobActor{ID: a.ID, Roles: a.Roles, Source: a.Source, Purposes: a.Purposes, Purpose: a.Purpose, Scopes: a.Scopes}
}

// actor is who acts in the job: whoever started it, in the job's workspace.
func (j *Job) actor() *core.Actor {
	by := j.By
	if by == nil {
		return &core.Actor{Workspace: j.Workspace(), ID: "system:job", Name: j.Kind}
	}
	return &core.Actor{
		Workspace: j.Workspace(), ID: by.ID, Name: j.Kind, Roles: by.Roles, Source: by.Source,
		Purposes: by.Purposes, Purpose: by.Purpose, Scopes: by.Scopes,
	}
}

// failure makes a JobError of err.
func failure(err error) *JobError {
	e := core.AsError(err)
	return &JobError{Code: e.Code, Reason: e.Reason, Message: e.Message}
}
