package migration

import "time"

// Config is one migration. Each field's doc tag is its documentation, in the file that `crossfade init` prints and in
// docs/CONFIGURATION.md; its default tag is its default; the unit stands in the documentation.
type Config struct {
	// File is where the configuration was read from.
	File string `yaml:"-"`

	Name       string        `yaml:"name" required:"true" doc:"Names the migration, its Kafka topics and its consumer groups. Letters, digits, '.', '_' and '-', at most 200."`
	Source     Side          `yaml:"source" required:"true" example:"{dynamodb: {table: orders, region: eu-west-1}}" doc:"The old table."`
	Target     Side          `yaml:"target" required:"true" example:"{dynamodb: {table: orders-v2, region: eu-west-1}}" doc:"The new table. It must exist, with the same key schema."`
	Kafka      Kafka         `yaml:"kafka" required:"true" example:"{brokers: [\"127.0.0.1:9092\"]} or {embedded: {dir: ./orders-data}}" doc:"Where the records and the durable state live: brokers, or embedded."`
	Live       Live          `yaml:"live" example:"{from: stream}" doc:"Where live changes come from."`
	Snapshot   Snapshot      `yaml:"snapshot" doc:"How the old table is read."`
	Apply      Apply         `yaml:"apply" doc:"How the new table is written."`
	Attributes Attributes    `yaml:"attributes" doc:"Names of our attributes on items of the new table. Change them if your items use one of these names."`
	Grace      time.Duration `yaml:"grace" default:"10m" doc:"How long, after everything older has been applied, the sweep waits before it removes a marker. No write begun before may land later; a worker that has not read the control log for half of it stops. At least 1s; on a cluster 1m or more is advised, for Kafka takes about 10s to notice the death of a broker."`
}

// Side is one of the two databases.
type Side struct {
	DynamoDB DynamoDB `yaml:"dynamodb" required:"true" example:"{table: orders, region: eu-west-1}" doc:"An Amazon DynamoDB table. Credentials come from the AWS default chain."`
}

// DynamoDB is one table.
type DynamoDB struct {
	Table    string `yaml:"table" required:"true" doc:"The table's name."`
	Region   string `yaml:"region" doc:"The AWS region. Empty: as the AWS default chain says."`
	Endpoint string `yaml:"endpoint" doc:"A URL to use in place of AWS's own, such as http://127.0.0.1:8000 for DynamoDB Local."`
	Profile  string `yaml:"profile" doc:"A profile of the shared AWS configuration files. Empty: the default chain's."`
	RoleARN  string `yaml:"role_arn" doc:"A role to assume on top of the credentials; the two tables may be in different accounts."`
}

// Kafka is the cluster. Exactly one of Brokers and Embedded is set.
type Kafka struct {
	Brokers        []string `yaml:"brokers" doc:"Bootstrap brokers, each host:port."`
	Embedded       Embedded `yaml:"embedded" example:"{dir: ./orders-data}" doc:"A broker inside the process, in place of brokers; for one machine."`
	TLS            TLS      `yaml:"tls" doc:"Encryption of the connections to the brokers."`
	SASL           SASL     `yaml:"sasl" doc:"Authentication to the brokers."`
	Partitions     int      `yaml:"partitions" default:"12" min:"1" max:"10000" doc:"Partitions of the snapshot topic and of the live topic."`
	WorkPartitions int      `yaml:"work_partitions" default:"64" min:"1" max:"10000" doc:"Partitions of the work topic: into so many parts segments and shards are handed out, so at most so many snapshot workers have work."`
	Replication    int      `yaml:"replication" default:"0" min:"0" max:"32767" doc:"Replication factor of the topics. 0: as the brokers say (default.replication.factor)."`
}

// Embedded is a broker inside the process.
type Embedded struct {
	Dir string `yaml:"dir" doc:"The folder of its data. It survives a kill; one process at a time serves it, the others find that one."`
}

// TLS is how connections to the brokers are encrypted.
type TLS struct {
	Enabled    bool   `yaml:"enabled" default:"false" doc:"Whether to encrypt."`
	CAFile     string `yaml:"ca_file" doc:"PEM file of the authorities to trust. Empty: the system's."`
	CertFile   string `yaml:"cert_file" doc:"PEM file of the client's certificate, with key_file."`
	KeyFile    string `yaml:"key_file" doc:"PEM file of the client's key, with cert_file."`
	ServerName string `yaml:"server_name" doc:"The name that the brokers' certificates must have. Empty: the broker's host name."`
}

// SASL is how a client proves who it is.
type SASL struct {
	Mechanism    string `yaml:"mechanism" oneof:"plain scram-sha-256 scram-sha-512" doc:"plain, scram-sha-256 or scram-sha-512. Empty: no authentication."`
	Username     string `yaml:"username" doc:"The user."`
	PasswordEnv  string `yaml:"password_env" doc:"The environment variable that holds the password. One of password_env and password_file goes with a mechanism; there is no place for the password itself."`
	PasswordFile string `yaml:"password_file" doc:"The file that holds the password; a line end after it is left out."`
}

// Live is where live changes come from.
type Live struct {
	From     string `yaml:"from" default:"stream" oneof:"stream app none" doc:"stream: from the old table's DynamoDB Stream. app: the application publishes its own events. none: there are none, the application writes the new table itself."`
	Position string `yaml:"position" default:"offset" oneof:"offset header" doc:"Only with from: app. What orders the changes of a key: offset, their place in the partition (the producer must be idempotent), or header, an unsigned integer in the header position that grows with each change of the row."`
}

// Snapshot is how the old table is read.
type Snapshot struct {
	Segments      int     `yaml:"segments" default:"64" min:"1" max:"1000000" doc:"Segments of the parallel scan: the units of snapshot work."`
	MaxReadUnits  float64 `yaml:"max_read_units" default:"0" min:"0" doc:"Read units a second, all workers together. 0: as fast as the table allows; where it throttles, its rate is found."`
	PagesInFlight int     `yaml:"pages_in_flight" default:"4" min:"1" max:"64" doc:"Pages of a segment that are read and not yet acknowledged by Kafka; a page is about 1 MB."`
	AtOnce        int     `yaml:"at_once" default:"8" min:"1" max:"1000" doc:"Segments that one worker reads at the same time."`
}

// Apply is how the new table is written.
type Apply struct {
	MaxWriteUnits float64 `yaml:"max_write_units" default:"0" min:"0" doc:"Write units a second, all streamers together. 0: as fast as the table takes them."`
	InFlight      int     `yaml:"in_flight" default:"64" min:"1" max:"4096" doc:"Calls to the new table at the same time, for each streamer, at the most. There are fewer when the table is throttled: its rate is found, and kept just below."`
	MaxMemory     int64   `yaml:"max_memory" default:"67108864" min:"1048576" doc:"Bytes that a streamer holds of records fetched and not yet done, with what is kept beside each of them (over 1 KB)."`
	Rerun         int     `yaml:"rerun" default:"0" min:"0" max:"9999" doc:"Raise it to apply the topics again with a changed mapping: the same change may then replace its earlier self, and nothing newer."`
}

// Attributes are the names of our attributes.
type Attributes struct {
	Version   string `yaml:"version" default:"crossfade_version" doc:"On each item and marker, forms stream and app: its version (S)."`
	Deleted   string `yaml:"deleted" default:"crossfade_deleted" doc:"On markers: when the row was deleted, seconds since 1970 (N)."`
	Shard     string `yaml:"shard" default:"crossfade_shard" doc:"On markers, form stream: the shard that the delete came from (S)."`
	Tombstone string `yaml:"tombstone" default:"crossfade_tombstone" doc:"On markers of tombstones: true (BOOL)."`
}
