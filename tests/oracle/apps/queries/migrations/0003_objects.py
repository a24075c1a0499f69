from django.db import migrations

OBJECTS = """
CREATE TYPE queries_mood AS ENUM ('good', 'bad');
CREATE DOMAIN queries_percent AS integer CHECK (VALUE BETWEEN 0 AND 100);
CREATE SEQUENCE queries_counter START 40;
CREATE TABLE queries_raw (
    mood queries_mood, share queries_percent, number bigint DEFAULT nextval('queries_counter')
);
INSERT INTO queries_raw (mood, share) VALUES ('good', 5), ('bad', 6);
CREATE VIEW queries_users AS SELECT n.word, u.username FROM queries_note n CROSS JOIN users_user u;
CREATE MATERIALIZED VIEW queries_sum AS SELECT sum(number) AS total FROM queries_note;
CREATE RULE quiet AS ON DELETE TO queries_raw DO INSTEAD NOTHING;
ALTER TABLE queries_raw ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON queries_raw USING (share < 50);
COMMENT ON TABLE queries_raw IS 'it''s 100%';
"""


class Migration(migrations.Migration):
    dependencies = [("queries", "0002_forms")]
    operations = [migrations.RunSQL(OBJECTS), migrations.AlterModelOptions("note", {"ordering": ["word"]})]
