# Fit every data set with lme4 by REML, and write what R says to table.json.
#
#     Rscript tests/comparison/parity/make_table.R
#
# Needs lme4, lmerTest, pbkrtest, minqa, numDeriv, jsonlite, digest (Debian: r-cran-*). Satterthwaite's
# degrees of freedom are lmerTest's; the Kenward-Roger variance and degrees are pbkrtest's. Three
# models of y, the mean of a source's clips, whose contrast of a variant with v0 is reported:
#
#   paired   difference ~ 1 + (1|seed) + (1|source), of the two variants' common seeds alone
#   whole    y ~ variant + (1|seed) + (1|seed:variant) + (1|source) + (1|source:variant)
#                + (1|seed:source), of all variants and runs
#   usual    the same without (1|seed:source), the model that is commonly written
#
# and, where sources have several clips, two of single clips, of the common seeds:
#
#   nested   difference ~ 1 + (1|seed) + (1|source) + (1|source:clip) + (1|seed:source)
#   sources  mean difference over seeds ~ 1 + (1|source)
#
# `paired`, `whole` and `usual` need sources of one size; other data sets have the last two alone.
#
# bobyqa minimises the deviance, whose rounding leaves five or six digits of the variances; Newton
# steps on its numerical derivative then give the rest. `gradient` is what is left of it, over the
# components that are not zero. A fit is singular when a component is zero. A second run of the
# script differs by rounding: by 4e-8 of a standard error at most.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
})

arguments <- commandArgs(trailingOnly = FALSE)
here <- dirname(sub("^--file=", "", grep("^--file=", arguments, value = TRUE)))
control <- lmerControl(
  optimizer = "bobyqa", calc.derivs = FALSE,
  check.conv.singular = "ignore",
  optCtrl = list(rhoend = 1e-9, maxfun = 1e5)
)

read_values <- function(path) {
  wide <- read.csv(path, check.names = FALSE, stringsAsFactors = FALSE)
  clips <- names(wide)[-(1:2)]
  values <- as.matrix(wide[, -(1:2)])
  long <- data.frame(
    variant = rep(wide$variant, times = length(clips)),
    seed = factor(rep(wide$seed, times = length(clips))),
    source = factor(rep(sub("/.*", "", clips), each = nrow(wide))),
    clip = factor(rep(sub(".*/", "", clips), each = nrow(wide))),
    y = as.vector(values)
  )
  long$variant <- factor(long$variant)
  long
}

difference <- function(long, name) {
  one <- long[long$variant == name, ]
  zero <- long[long$variant == "v0", ]
  both <- merge(one, zero, by = c("seed", "source", "clip"))
  data.frame(both[c("seed", "source", "clip")], d = both$y.x - both$y.y)
}

observations <- NULL

# The zero components of theta that lower the deviance by growing.
grown <- function(objective, theta) {
  here <- objective(theta)
  Filter(function(zero) {
    larger <- theta
    larger[zero] <- 1e-2
    objective(larger) < here - 1e-9
  }, which(theta == 0))
}

# The best of several starts: the deviance is flat in a component that is zero.
minimum <- function(objective, first) {
  starts <- list(first, rep(1, length(first)), rep(0.3, length(first)), rep(2, length(first)))
  ends <- lapply(starts, function(start) {
    minqa::bobyqa(start, objective, lower = rep(0, length(first)),
                  control = list(rhobeg = 0.1, rhoend = 1e-9, maxfun = 1e5))
  })
  theta <- ends[[which.min(vapply(ends, function(end) end$fval, 0))]]$par
  theta[theta < 1e-4] <- 0
  theta
}

polished <- function(model) {
  objective <- update(model, devFunOnly = TRUE)
  theta <- minimum(objective, getME(model, "theta"))
  free <- theta > 0
  of_free <- function(x) {
    full <- theta
    full[free] <- x
    objective(full)
  }
  gradient <- numeric(0)
  for (step in seq_len(5)) {
    if (!any(free)) break
    gradient <- numDeriv::grad(of_free, theta[free])
    if (max(abs(gradient)) < 1e-8) break
    theta[free] <- theta[free] - solve(numDeriv::hessian(of_free, theta[free]), gradient)
  }
  # It is a minimum: curved upwards, and no zero component lowers the deviance by growing.
  stopifnot(all(theta >= 0))
  if (any(free)) stopifnot(all(eigen(numDeriv::hessian(of_free, theta[free]))$values > 0))
  stopifnot(length(grown(objective, theta)) == 0)
  value <- objective(theta)
  structure <- lFormula(formula(model), data = model.frame(model), control = control)
  built <- mkMerMod(
    environment(objective), list(par = theta, fval = value, conv = 0, message = ""),
    structure$reTrms, structure$fr, model@call
  )
  list(model = built, gradient = if (any(free)) max(abs(gradient)) else 0, singular = !all(free))
}

reml <- function(formula, data, contrasts) {
  observations <<- data
  model <- eval(bquote(lmer(.(formula), data = observations, control = control)))
  fit <- polished(model)
  model <- lmerTest::as_lmerModLmerTest(fit$model)
  covariance <- vcov(model)
  adjusted <- tryCatch(pbkrtest::vcovAdj(model), error = function(e) NULL)
  variances <- as.data.frame(VarCorr(model))
  common <- list(
    observations = nrow(data),
    singular = fit$singular,
    gradient = fit$gradient,
    components = as.list(setNames(variances$vcov, variances$grp))
  )
  lapply(contrasts, function(weights) {
    value <- sum(weights * fixef(model))
    satterthwaite <- lmerTest::contest1D(model, weights, ddf = "Satterthwaite")
    found <- c(
      list(
        value = value, se = as.numeric(sqrt(weights %*% covariance %*% weights)),
        df_satterthwaite = satterthwaite$df
      ), common
    )
    if (!is.null(adjusted)) {
      found$se_kenward_roger <- as.numeric(sqrt(weights %*% adjusted %*% weights))
      found$df_kenward_roger <- tryCatch(
        pbkrtest::Lb_ddf(weights, covariance, adjusted), error = function(e) NA
      )
    }
    found
  })
}

table_of <- function(path) {
  long <- read_values(path)
  names <- setdiff(levels(long$variant), "v0")
  sizes <- table(unique(long[c("source", "clip")])$source)
  grouped <- any(sizes > 1)
  equal <- length(unique(sizes)) == 1
  contrasts <- setNames(lapply(names, function(name) list()), names)
  for (name in names) {
    d <- difference(long, name)
    contrasts[[name]]$mean <- mean(d$d)
    contrasts[[name]]$seeds <- length(unique(d$seed))
    if (equal) {
      means <- aggregate(d ~ seed + source, d, mean)
      contrasts[[name]]$paired <- reml(d ~ 1 + (1 | seed) + (1 | source), means, list(1))[[1]]
    }
    if (grouped) {
      nested <- d ~ 1 + (1 | seed) + (1 | source) + (1 | source:clip) + (1 | seed:source)
      contrasts[[name]]$nested <- reml(nested, d, list(1))[[1]]
      over_seeds <- aggregate(d ~ source + clip, d, mean)
      contrasts[[name]]$sources <- reml(d ~ 1 + (1 | source), over_seeds, list(1))[[1]]
    }
  }
  if (equal) {
    means <- aggregate(y ~ variant + seed + source, long, mean)
    weights <- lapply(seq_along(names), function(k) as.numeric(seq_len(length(names) + 1) == k + 1))
    usual <- y ~ variant + (1 | seed) + (1 | seed:variant) + (1 | source) + (1 | source:variant)
    fits <- list(
      whole = reml(update(usual, . ~ . + (1 | seed:source)), means, weights),
      usual = reml(usual, means, weights)
    )
    for (kind in names(fits)) {
      for (k in seq_along(names)) contrasts[[names[k]]][[kind]] <- fits[[kind]][[k]]
    }
  }
  list(
    sha256 = digest::digest(file = path, algo = "sha256"),
    variants = nlevels(long$variant),
    runs = nrow(unique(long[c("variant", "seed")])),
    sizes = as.vector(sizes),
    contrasts = contrasts
  )
}

paths <- sort(list.files(file.path(here, "data_sets"), "[.]csv$", full.names = TRUE))
sets <- list()
for (path in paths) {
  name <- sub("[.]csv$", "", basename(path))
  started <- Sys.time()
  sets[[name]] <- table_of(path)
  message(name, ": ", round(as.numeric(Sys.time() - started, units = "secs"), 1), " s")
}
packages <- c("lme4", "lmerTest", "pbkrtest", "numDeriv")
versions <- lapply(setNames(packages, packages), function(p) as.character(packageVersion(p)))
written <- list(versions = c(list(R = as.character(getRversion())), versions), sets = sets)
writeLines(
  jsonlite::toJSON(written, auto_unbox = TRUE, digits = NA, pretty = 1, null = "null"),
  file.path(here, "table.json")
)
