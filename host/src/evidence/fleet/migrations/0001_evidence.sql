-- The evidence of a fleet: one chain a log, as it stands in each host's files.

CREATE TABLE cavra_evidence_logs (
    log_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The log's name, as checkpoints are signed for it.
    origin        text NOT NULL UNIQUE,
    public_key    text NOT NULL,
    -- The machine that registered it.
    host          text NOT NULL,
    -- The role that registered it: nobody else adds to its chain.
    owner         name NOT NULL DEFAULT current_user,
    registered_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE cavra_evidence_entries (
    log_id        bigint NOT NULL REFERENCES cavra_evidence_logs,
    sequence      bigint NOT NULL CHECK (sequence >= 0),
    -- RFC 6962's hash of the leaf.
    hash          bytea NOT NULL CHECK (octet_length(hash) = 32),
    -- The entry, byte for byte; null where the host had removed it before it was sent.
    line          bytea,
    kind          text,
    -- What is searched by, for evaluations: taken from the line.
    evaluation_id text,
    "time"        timestamptz,
    policy_pack   text,
    rule_id       text,
    decision      text,
    fallback_code text,
    session_id    text,
    parity_match  boolean,
    PRIMARY KEY (log_id, sequence)
);

CREATE TABLE cavra_evidence_checkpoints (
    log_id        bigint NOT NULL REFERENCES cavra_evidence_logs,
    size          bigint NOT NULL CHECK (size > 0),
    -- The signed note.
    note          text NOT NULL,
    PRIMARY KEY (log_id, size)
);

CREATE INDEX cavra_evidence_entries_time ON cavra_evidence_entries ("time", log_id, sequence)
    WHERE kind = 'evaluation';
-- Hashes: agents choose the names of their sessions, and a tree refuses long ones.
CREATE INDEX cavra_evidence_entries_evaluation ON cavra_evidence_entries USING hash (evaluation_id);
CREATE INDEX cavra_evidence_entries_session ON cavra_evidence_entries USING hash (session_id);

CREATE FUNCTION cavra_evidence_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'evidence is only ever added to: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER cavra_evidence_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON cavra_evidence_entries
    FOR EACH STATEMENT EXECUTE FUNCTION cavra_evidence_append_only();
CREATE TRIGGER cavra_evidence_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON cavra_evidence_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION cavra_evidence_append_only();
-- Who owns a log and where it is may change; its name and key may not.
CREATE TRIGGER cavra_evidence_append_only
    BEFORE UPDATE OF log_id, origin, public_key OR DELETE OR TRUNCATE ON cavra_evidence_logs
    FOR EACH STATEMENT EXECUTE FUNCTION cavra_evidence_append_only();

-- A host adds to its own chains alone. The owner of the tables is not held by this.
ALTER TABLE cavra_evidence_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE cavra_evidence_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE cavra_evidence_checkpoints ENABLE ROW LEVEL SECURITY;
CREATE POLICY cavra_read ON cavra_evidence_logs FOR SELECT USING (true);
CREATE POLICY cavra_read ON cavra_evidence_entries FOR SELECT USING (true);
CREATE POLICY cavra_read ON cavra_evidence_checkpoints FOR SELECT USING (true);
CREATE POLICY cavra_add ON cavra_evidence_logs FOR INSERT WITH CHECK (owner = current_user);
CREATE POLICY cavra_add ON cavra_evidence_entries FOR INSERT WITH CHECK (
    log_id IN (SELECT log_id FROM cavra_evidence_logs WHERE owner = current_user));
CREATE POLICY cavra_add ON cavra_evidence_checkpoints FOR INSERT WITH CHECK (
    log_id IN (SELECT log_id FROM cavra_evidence_logs WHERE owner = current_user));
